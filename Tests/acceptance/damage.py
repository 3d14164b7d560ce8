# SPDX-License-Identifier: Apache-2.0
"""Makes damaged copies of an ext2 image, each from a seed of its own.

Arguments: the image, how many copies, the folder for them. What is damaged is what a driver goes
by: superblock, group descriptors, bitmaps, inodes, folders and blocks of pointers.
"""

import random
import struct
import sys

BLOCK = 4096


def number(image, place, size=4):
    return int.from_bytes(image[place : place + size], "little")


class Image:
    def __init__(self, content):
        self.content = content
        self.table = number(content, BLOCK + 8) * BLOCK
        self.inode_count = number(content, 1024 + 40)
        self.inode_size = number(content, 1024 + 88, 2)
        self.block_count = number(content, 1024 + 4)
        self.inodes, self.folders, self.pointers = [], [], []
        for index in range(self.inode_count):
            place = self.table + index * self.inode_size
            mode = number(content, place, 2)
            if mode == 0:
                continue
            self.inodes.append(place)
            blocks = [number(content, place + 40 + 4 * i) for i in range(15)]
            if mode & 0xF000 == 0x4000:
                self.folders += [block * BLOCK for block in blocks[:12] if block]
            if mode & 0xF000 in (0x4000, 0x8000):
                self.pointers += [block * BLOCK for block in blocks[12:] if block]


def odd(chance, image, size):
    """A number that is likely to be wrong in an interesting way."""
    most = (1 << 8 * size) - 1
    values = [0, 1, most, most >> 1, 1 << (8 * size - 1), image.block_count, image.inode_count]
    values += [image.block_count - 1, chance.randrange(image.block_count), chance.randint(0, most)]
    return chance.choice(values) & most


def damage(image, seed):
    chance = random.Random(seed)
    content = bytearray(image.content)

    def set_number(place, size):
        content[place : place + size] = odd(chance, image, size).to_bytes(size, "little")

    def superblock():
        set_number(1024 + 4 * chance.randrange(26), 4)

    def descriptor():
        set_number(BLOCK + 4 * chance.randrange(4), chance.choice([2, 4]))

    def bitmap():
        place = number(content, BLOCK + 4 * chance.randrange(2)) * BLOCK
        if place < len(content):
            content[place : place + 256] = chance.randbytes(256)

    def inode():
        place = chance.choice(image.inodes)
        field = chance.choice([(0, 2), (4, 4), (26, 2), (28, 4), (32, 4), (108, 4)])
        if chance.random() < 0.5:
            field = (40 + 4 * chance.randrange(15), 4)
        set_number(place + field[0], field[1])

    def folder():
        place = chance.choice(image.folders)
        entries = []
        end = place + BLOCK
        while place < end and number(content, place + 4, 2) >= 8:
            entries.append(place)
            place += number(content, place + 4, 2)
        if entries:
            entry = chance.choice(entries)
            field = chance.choice([(0, 4), (4, 2), (6, 1), (7, 1), (8, 1)])
            set_number(entry + field[0], field[1])

    def pointers():
        if image.pointers:
            set_number(chance.choice(image.pointers) + 4 * chance.randrange(64), 4)

    def anything():
        place = chance.choice(image.inodes + image.folders + image.pointers + [1024, BLOCK])
        for _ in range(chance.randrange(1, 30)):
            content[place + chance.randrange(128)] = chance.randrange(256)

    def end_of_disk():
        del content[chance.randrange(2, image.block_count) * BLOCK :]

    kinds = [superblock, descriptor, bitmap, inode, inode, folder, folder, pointers, anything]
    # Each kind alone, then several at once.
    if seed < 4 * len(kinds):
        kinds[seed % len(kinds)]()
    elif chance.random() < 0.1:
        end_of_disk()
    else:
        for _ in range(chance.randrange(1, 6)):
            chance.choice(kinds)()
    return content


def main():
    with open(sys.argv[1], "rb") as file:
        image = Image(file.read())
    for seed in range(int(sys.argv[2])):
        with open(f"{sys.argv[3]}/{seed}.img", "wb") as file:
            file.write(damage(image, seed))


main()
