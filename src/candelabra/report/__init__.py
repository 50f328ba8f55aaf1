"""What a person looks at: tables on the terminal and pictures in the run folder."""
