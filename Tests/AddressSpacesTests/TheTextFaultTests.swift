// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import Machine
import MemoryUnits
import PageTableFormats
import SimulatedMachine
import Testing

/// The text's page fault: an access to a page that is not in memory, and its retry.
///
/// `Documentation/TheText/Paging.md` has the marked lines.
@Suite struct TheTextFaultTests {
  @Test func `an access faults, is resolved, and succeeds when it is tried again`() throws {
    try withMemory(frameCount: 512) { environment in
      let (machine, spaces) = (environment.machine, environment.spaces)
      let space = try spaces.makeSpace()
      spaces.activate(space)
      defer {
        machine.activate(root: environment.memory.value.kernelRoot)
        spaces.release(space)
      }

      let address = VirtualAddress(0x1234_5678)
      _ = try spaces.map(
        space,
        MapRequest(
          .fixed(address.page.address), byteCount: ByteCount(4096), protection: .readWrite))

      #expect(throws: AccessFault.self) { try machine.store(UInt32(42), at: address) }
      let outcome = spaces.handleFault(in: space, at: address, access: .write)
      try machine.store(UInt32(42), at: address)

      guard case .resolved = outcome else { throw MemoryError.badAddress }
      #expect(try machine.load(UInt32.self, at: address) == 42)
      #expect(environment.heap[space].anonymousCount == PageCount(1))
      try environment.checkInvariants([space])
    }
  }
}
