// SPDX-License-Identifier: Apache-2.0

/// Why there is no memory for somebody.
public enum AllocationError: Error, Sendable, BitwiseCopyable {
  /// Nothing large enough is free in the zones that the request may use. Linux: `-ENOMEM`.
  case outOfMemory
  /// Larger than the largest block.
  case orderTooLarge
  /// Larger than the allocator's largest object.
  case tooLarge
  /// Nothing was asked for. Linux: `ZERO_SIZE_PTR`.
  case zeroSize
  /// Failed on purpose, by a test. Linux: `should_failslab()`, `fail_page_alloc`.
  case injected
}
