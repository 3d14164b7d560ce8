// SPDX-License-Identifier: Apache-2.0

import CLibcrypto

/// SHA-256 over bytes that come in parts.
@safe
public final class ContentDigest {
  private let context: OpaquePointer

  public init() {
    // SAFETY: the context is made here, used by this object only and freed with it.
    guard let made = unsafe EVP_MD_CTX_new() else { fatalError("no memory for a digest") }
    unsafe context = made
    unsafe EVP_DigestInit_ex(context, EVP_sha256(), nil)
  }

  deinit {
    // SAFETY: made in init, freed once.
    unsafe EVP_MD_CTX_free(context)
  }

  public func add(_ bytes: UnsafeRawBufferPointer) {
    // SAFETY: the buffer says its own length.
    unsafe EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
  }

  public func add(_ bytes: [UInt8]) {
    // SAFETY: the array's own bytes, for the length of the call.
    unsafe bytes.withUnsafeBytes { buffer in unsafe add(buffer) }
  }

  /// Adds a text and a zero byte, so that two texts never run into one.
  public func add(_ text: String) {
    add(Array(text.utf8) + [0])
  }

  /// The digest in hexadecimal digits. Nothing may be added afterwards.
  public func finish() -> String {
    var result = [UInt8](repeating: 0, count: 32)
    var count: UInt32 = 32
    // SAFETY: SHA-256 writes 32 bytes.
    unsafe EVP_DigestFinal_ex(context, &result, &count)
    return result.map { byte in
      let digits = String(byte, radix: 16)
      return digits.utf8.count == 1 ? "0" + digits : digits
    }.joined()
  }

  /// The digest of a file's content.
  static func ofFile(_ path: String) throws(HostError) -> String {
    let file = try HostFile(reading: path)
    let digest = ContentDigest()
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    var offset: UInt64 = 0
    while true {
      let count = try file.read(into: &buffer, at: offset, count: buffer.count)
      if count == 0 { return digest.finish() }
      // SAFETY: the array's own bytes, for the length of the call.
      unsafe buffer.withUnsafeBytes { bytes in
        unsafe digest.add(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
      }
      offset += UInt64(count)
    }
  }
}
