"""What `unikeras doctor` looks at without a framework: the machine, what is installed, and what is known to go wrong together."""
