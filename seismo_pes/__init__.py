"""Processing elements for seismology, with or without the stream engine.

The folders are in the order of the data: `reading`, `metadata`, `preprocessing`,
`gathering`, `correlating`, `stacking`, `measuring`, `writing` and `plotting`. `items`
has the classes of the items between the elements, `signal` the mathematics on arrays,
`application` the common parts of applications. The module `element` makes an element
from a function.
"""
