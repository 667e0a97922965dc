"""A local AWS endpoint: moto's server and, beside it, a model-driven Amazon EKS and EKS Auth."""
