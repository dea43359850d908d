"""What Git servers send when somebody pushes: who it is from, what it says, and that it is written down at once."""
