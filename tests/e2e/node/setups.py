"""On which set-up a test runs; without a mark it runs on both."""

import pytest

ON_1_33 = pytest.mark.parametrize("minor", ["1.33"], indirect=True)
ON_1_37 = pytest.mark.parametrize("minor", ["1.37"], indirect=True)
