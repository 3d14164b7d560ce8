// SPDX-License-Identifier: Apache-2.0

/// What a program asks of a heap of buffers. Linux: `struct dma_heap_allocation_data`.
public struct BufferAllocation: BitwiseCopyable, Sendable {
  public var byteCount: UInt64 = 0
  /// The descriptor of the buffer; 0 when it is asked for.
  public var descriptor: UInt32 = 0
  /// Linux: `fd_flags`.
  public var descriptorFlags: UInt32 = 0
  /// None is known. Linux: `heap_flags`.
  public var heapFlags: UInt64 = 0

  public init() {}

  public static var byteCount: Int { 24 }

  /// Linux: `DMA_HEAP_VALID_FD_FLAGS`: `O_CLOEXEC` and the access mode.
  public static var validDescriptorFlags: UInt32 { 0o2000003 }
}

/// The numbers of requests to heaps and buffers, as `_IOC()` makes them.
public enum BufferRequest {
  /// Linux: `DMA_HEAP_IOCTL_ALLOC`.
  public static var allocate: UInt32 { 0xC018_4800 }
  /// Linux: `DMA_BUF_IOCTL_SYNC`.
  public static var synchronize: UInt32 { 0x4008_6200 }

  /// Linux: `_IOC_NR()`.
  public static func number(of request: UInt32) -> UInt32 { request & 0xFF }
  /// Linux: `_IOC_SIZE()`.
  public static func byteCount(of request: UInt32) -> Int { Int(request >> 16 & 0x3FFF) }
  /// The program's value is read. Linux: `_IOC_WRITE`.
  public static func reads(_ request: UInt32) -> Bool { request >> 30 & 1 != 0 }
  /// It is written. Linux: `_IOC_READ`.
  public static func writes(_ request: UInt32) -> Bool { request >> 31 & 1 != 0 }

  /// Whether flags of `synchronize` name an access and nothing unknown.
  ///
  /// Linux: `dma_buf_ioctl()`: `DMA_BUF_SYNC_RW`, `DMA_BUF_SYNC_END`.
  public static func isValid(synchronization flags: UInt64) -> Bool {
    flags & ~7 == 0 && flags & 3 != 0
  }
}
