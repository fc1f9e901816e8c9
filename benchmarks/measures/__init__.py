"""Speed of the measures of misfit beside pyadjoint and obspy."""
