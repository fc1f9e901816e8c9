"""The results of a run: description, parts, index, rows.

The folder of a run enters, whether the run has ended or not. Its channel table, the
table of its stacks and the rows of correlations leave, for `xcorr_app.store`.
"""
