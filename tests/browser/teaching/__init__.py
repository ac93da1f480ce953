"""What is taught with in a lesson, each as a few steps of people in their browsers."""
