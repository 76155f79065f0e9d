"""What was seen of pods after their admission. Pure values."""
