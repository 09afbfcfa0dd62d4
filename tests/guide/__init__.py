"""The guide's own tables as data, and what the product must say of them."""
