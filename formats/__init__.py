"""Ground floor: bytes to records and back. No torch, no models."""
