"""What runs on the training instance: read the job, keep the run informed, train, store, answer."""
