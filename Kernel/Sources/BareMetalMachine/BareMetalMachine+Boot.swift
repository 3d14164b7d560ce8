// SPDX-License-Identifier: Apache-2.0

import CProcessor
import Machine
import MemoryEvents
import MemoryUnits
import PageTableFormats

/// From the loader's state to a machine.
extension BareMetalMachine {
  /// Sets up the one machine that there is.
  ///
  /// From here on traps arrive, time runs, the channel works; the disks wait for `startDisks`.
  /// The page table is the boot's, until somebody activates another.
  ///
  /// - Parameters:
  ///   - startInformation: physical address of what the loader tells.
  ///   - counter: the time stamp at the image's first instruction, where virtual time begins.
  public static func start(
    startInformation: UInt64, counter: UInt64
  ) -> (machine: BareMetalMachine, information: BootInformation) {
    let machine = BareMetalMachine()
    machine.state = MachineState()
    machine.state.clockOffset = 0 &- counter
    machine.state.directMapLimit = 1 << 30
    DescriptorTables.load()
    dropIdentityMap()
    var information = BootInformation()
    let loader = StartInformation(
      at: PhysicalAddress(startInformation), in: machine.directMap)
    guard loader.isValid, let memory = loader.number(after: "quire.memory=") else {
      machine.stop("quire: no start information or no quire.memory= in it\n")
    }
    information.memoryBytes = ByteCount(memory)
    information.commandLine = loader.commandLine
    if processor_identify(0x8000_0000, 0).a >= 0x8000_0001,
      processor_identify(0x8000_0001, 0).d >> 26 & 1 == 1
    {
      information.largestPageLevel = 2
    }
    var tables = BootTables(end: place_image_end() - AddressLayout.image)
    machine.findMemory(loader, &information, &tables)
    machine.findChannel(&information)
    LocalTimer.enable()
    machine.findDisks()
    describeImage(&information, tables: tables)
    return (machine, information)
  }

  /// Says something where no channel is, and stops.
  func stop(_ text: StaticString) -> Never {
    write(text)
    halt()
  }

  /// The image was entered where it lies; from now on address 0 is nobody's.
  private static func dropIdentityMap() {
    shared_store64(place_boot_root(), 0)
    processor_write_root(processor_read_root())
  }

  /// Notes the RAM below the limit, and maps all of it, the channel and the devices.
  private func findMemory(
    _ loader: StartInformation, _ information: inout BootInformation, _ tables: inout BootTables
  ) {
    var lowEnd: UInt64 = 0
    for index in 0..<loader.memoryMapCount {
      guard let range = loader.ram(at: index) else { continue }
      if range.end.value <= 1 << 32 { lowEnd = max(lowEnd, range.end.value) }
    }
    // A machine larger than the gap for devices goes on at 4 GiB.
    let bytes = information.memoryBytes.value
    let limit = bytes < lowEnd ? bytes : bytes - lowEnd + 1 << 32
    information.channel = MemoryRange(
      start: PhysicalAddress(limit), byteCount: ByteCount(UInt64(ChannelLayout.byteCount)))
    for index in 0..<loader.memoryMapCount {
      guard let range = loader.ram(at: index), range.start.value < limit else { continue }
      guard information.memoryRangeCount < information.memoryRanges.count else { break }
      information.memoryRanges[information.memoryRangeCount] = MemoryRange(
        from: range.start.value, to: min(range.end.value, limit))
      information.memoryRangeCount += 1
    }
    tables.map(upTo: information.channel.end)
    tables.map(at: LocalTimer.registers)
    state.directMapLimit = information.channel.end.value
    information.devices = [
      MemoryRange(start: BlockDevice.firstSlot, byteCount: ByteCount(4096)),
      MemoryRange(start: LocalTimer.registers, byteCount: ByteCount(4096)),
    ]
  }

  private func findChannel(_ information: inout BootInformation) {
    let address = AddressLayout.directMap + information.channel.start.value
    guard shared_load64(address) == ChannelLayout.magic else {
      stop("quire: no channel behind quire.memory\n")
    }
    state.channel = address
    state.eventLimit = UInt64(ChannelLayout.eventCount)
  }

  private static func describeImage(
    _ information: inout BootInformation, tables: BootTables
  ) {
    information.image = [
      part(place_text_start(), place_text_end(), .read.union(.execute)),
      part(place_text_end(), place_rodata_end(), .read),
      part(place_rodata_end(), place_data_end(), .read.union(.write)),
      part(place_stack_start(), place_stack_end(), .read.union(.write)),
    ]
    let base = AddressLayout.image
    information.reserved = MemoryRange(
      from: place_stack_start() - base - 4096, to: place_data_end() - base)
    information.bootTables = MemoryRange(from: place_data_end() - base, to: tables.end)
    information.stack = KernelStack(top: VirtualAddress(place_stack_end()))
  }

  private static func part(
    _ start: UInt64, _ end: UInt64, _ protection: Protection
  ) -> ImagePart {
    ImagePart(
      address: VirtualAddress(start),
      range: MemoryRange(from: start - AddressLayout.image, to: end - AddressLayout.image),
      protection: protection.union(.global))
  }
}

/// The page tables of the boot: 2 MiB pages in the direct map, for the first GiB from the start.
struct BootTables {
  /// Physical address behind the last table.
  private(set) var end: UInt64

  /// - Parameter end: physical address behind the tables of the image: RAM that nobody uses.
  init(end: UInt64) { self.end = end }

  mutating func map(upTo limit: PhysicalAddress) {
    var start: UInt64 = 0
    while start < limit.value {
      map(at: PhysicalAddress(start))
      start += 1 << 30
    }
  }

  /// Maps the GiB that an address lies in.
  ///
  /// - Precondition: below 512 GiB.
  mutating func map(at address: PhysicalAddress) {
    let entry = place_boot_direct() + (address.value >> 30) * 8
    guard shared_load64(entry) == 0 else { return }
    let first = address.value & ~((1 << 30) - 1)
    for index in 0..<UInt64(512) {
      let frame = first + index << 21
      // Device registers are the highest: uncached from 0xFE000000 on.
      let rights: UInt64 = frame >= 0xFE00_0000 && frame < 1 << 32 ? 0x9B : 0x83
      shared_store64(AddressLayout.directMap + end + index * 8, frame | rights)
    }
    shared_store64(entry, end | 3)
    end += 4096
  }
}
