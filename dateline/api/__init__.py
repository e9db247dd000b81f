"""What the server says of itself to programs and to those who write them."""
