# What the README shows of curl; each paragraph is run by tests/test_api_clients.py.

curl http://127.0.0.1:8000/v1/models

curl http://127.0.0.1:8000/v1/chat/completions -H 'Content-Type: application/json' -d '{
  "model": "embedded",
  "messages": [{"role": "user", "content": "Hello!"}]
}'

printf '{"model": "embedded", "messages": [{"role": "user", "content": [
    {"type": "text", "text": "What is this?"},
    {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,%s"}}]}]}' \
  "$(base64 < photo.jpg | tr -d '\n')" |
curl http://127.0.0.1:8000/v1/chat/completions -H 'Content-Type: application/json' -d @-

curl http://127.0.0.1:8000/v1/images -F file=@photo.jpg

curl -N http://127.0.0.1:8000/v1/chat/completions -H 'Content-Type: application/json' -d '{
  "model": "sightdesk-agent",
  "messages": [{"role": "user", "content": "Where are Granny Smith apples from?"}],
  "stream": true
}'

curl http://127.0.0.1:8000/v1/embeddings -H 'Content-Type: application/json' -d '{
  "model": "embedded",
  "input": ["a red apple", "a green pear"]
}'

curl http://127.0.0.1:8000/readyz
