// SPDX-License-Identifier: Apache-2.0

import BareMetalMachine
import KernelMappings
import MemoryManagement
import MemoryUnits
import PageFrames

extension BootInformation {
  /// The same, as the layers above want to hear it.
  var description: BootDescription {
    var description = BootDescription(
      memoryBytes: memoryBytes, layout: .x86_64, zones: .x86_64, stack: stack)
    for index in 0..<memoryRangeCount {
      description.memory.append(Self.range(memoryRanges[index]))
    }
    description.reserved.append(Self.range(reserved))
    description.temporary.append(Self.range(bootTables))
    description.largestPageLevel = largestPageLevel
    description.hidden.append(Self.range(channel))
    for index in 0..<devices.count { description.devices.append(Self.range(devices[index])) }
    for index in 0..<image.count {
      let part = image[index]
      description.image[index] = BootDescription.Part(
        range: MappedRange(
          address: part.address, start: part.range.start, byteCount: part.range.byteCount),
        protection: part.protection)
    }
    return description
  }

  private static func range(_ range: MemoryRange) -> BootDescription.Range {
    BootDescription.Range(start: range.start, byteCount: range.byteCount)
  }
}
