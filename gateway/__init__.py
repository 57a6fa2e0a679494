"""What runs: settings, composition root, MongoDB store, sync engine, HTTP view, command line."""
