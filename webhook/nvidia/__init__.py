"""What is known about NVIDIA's software in the field: tables that contributors edit, and pure functions over them."""
