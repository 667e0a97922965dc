"""Amazon EKS: behaviours by concept over one plain store; the protocol is not here but in ``..protocol``."""
