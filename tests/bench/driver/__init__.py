"""What tests/bench/run is made of: one module for each thing that it starts, measures or prints."""
