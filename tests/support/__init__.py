"""What tests share: services, signed requests, events."""
