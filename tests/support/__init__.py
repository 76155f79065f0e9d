"""What tests share: fakes, generators and worlds."""
