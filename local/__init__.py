"""Stands in for AWS on one machine, for development and tests; nothing here is part of the product."""
