"""Misfits of an event by `misfit-app` and by pyatoa with pyflex and pyadjoint."""
