"""One page of all results: a file that needs no network and can be sent by mail."""
