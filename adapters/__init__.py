"""Fine-tuning: data, training, evaluation and the adapter that ships."""
