// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// Linux's signal numbers and codes for memory.
enum MemorySignal {
  /// SIGSEGV, SEGV_MAPERR: nothing is mapped there.
  static func unmapped(_ address: VirtualAddress) -> FaultOutcome {
    .signal(number: 11, code: 1, address: address)
  }

  /// SIGSEGV, SEGV_ACCERR: the area does not allow it.
  static func forbidden(_ address: VirtualAddress) -> FaultOutcome {
    .signal(number: 11, code: 2, address: address)
  }

  /// SIGBUS, BUS_ADRERR: beyond the end of the file, or it could not be read.
  static func beyondFile(_ address: VirtualAddress) -> FaultOutcome {
    .signal(number: 7, code: 2, address: address)
  }
}
