"""Stand-ins for what actions and sensors talk to."""
