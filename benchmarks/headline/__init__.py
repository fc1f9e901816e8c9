"""The correlation job that dispel4py was shown with in 2015, from files to files."""
