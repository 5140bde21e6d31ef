"""Training, whatever is trained: the loop, its states, its processes, its metrics."""
