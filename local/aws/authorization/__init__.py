"""Authorization: who makes a request to this endpoint, and whether IAM's policies allow it."""
