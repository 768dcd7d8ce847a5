"""Stand-ins for the vendors on local ports, for tests, the demo and rehearsals; the product never imports them."""
