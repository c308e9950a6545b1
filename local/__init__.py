"""The embedded AWS on this machine: the engine, the host that plays EC2, and what deploys to them."""
