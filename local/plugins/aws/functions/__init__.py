"""The functions, a module for each area of AWS."""
