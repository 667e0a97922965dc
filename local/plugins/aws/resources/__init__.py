"""The resource types, a module for each area of AWS."""
