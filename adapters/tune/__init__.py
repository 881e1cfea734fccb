"""Fine-tuning an adapter on one's own photos: stacked on a base, in stages, resumable.

Stage one teaches the encoder to tell the labels apart; stage two teaches projector and language
model to say what the encoder sees, and to go on describing pictures as before.
"""
