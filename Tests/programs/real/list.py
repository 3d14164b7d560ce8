# SPDX-License-Identifier: Apache-2.0
"""A list of fifty megabytes."""
numbers = list(range(1_250_000))
print(len(numbers), sum(numbers), numbers[777_777])
