# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use List::Util qw(sum max);
use POSIX qw(floor);
my %count;
$count{ $_ * 7919 % 211 }++ for 1 .. 20000;
print join(",", map { "$_:$count{$_}" } (sort { $a <=> $b } keys %count)[ 0 .. 5 ]), "\n";
my $text = "the quick brown fox jumps over the lazy dog " x 100;
my %words;
$words{$1}++ while $text =~ /(\w+)/g;
printf "%s %d\n", $_, $words{$_} for sort keys %words;
print sum(1 .. 100), " ", max(3, 9, 4), " ", floor(3.7), "\n";
open my $out, '>', 'perl.txt' or die;
print $out "$_\n" for reverse 1 .. 1000;
close $out;
open my $in, '<', 'perl.txt' or die;
my @lines = sort { $a <=> $b } <$in>;
print scalar(@lines), " $lines[0]";
my $child = fork;
if (!$child) { exit 6 }
waitpid $child, 0;
print $? >> 8, "\n";
print `echo from a shell`;
local $SIG{ALRM} = sub { print "alarm\n" };
kill ALRM => $$;
exit 2;
