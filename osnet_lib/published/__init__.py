"""What others published, and what their chips allow; nothing here is measured."""
