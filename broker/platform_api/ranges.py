"""Moved to `broker/faces/ranges.py`."""

from broker.faces.ranges import MAX as MAX
from broker.faces.ranges import ListRange as ListRange
from broker.faces.ranges import page as page
from broker.faces.ranges import parse as parse
from broker.faces.ranges import range_of as range_of
from broker.faces.ranges import sliced as sliced
