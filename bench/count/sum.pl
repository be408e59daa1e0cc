# What callgrind has counted, in instructions: prints lines of path, process, instructions, those of them in the library; separated by tabs.
#
#   perl sum.pl calls DIRECTORY SESSION WORKER <ORDER    DIRECTORY/PID.K is what a process did before its K-th mark; ORDER has a line for
#                                                        each burst, with its path and what it is divided by (calls, or rows)
#   perl sum.pl functions FILE PREFIX                    functions of that prefix, with what they call
use strict;
use warnings;

# Instructions in FILE, of all code and of the library's.
sub sums {
    my ($file) = @_;
    open my $in, '<', $file or die "$file: $!\n";
    my ($is_ours, $all, $ours, $is_callee) = (0, 0, 0, 0);
    while (my $line = <$in>) {
        if ($line =~ /^ob=/) { $is_ours = $line =~ m{/pg_background\.} }
        elsif ($line =~ /^calls=/) { $is_callee = 1 }
        elsif ($line =~ /^[0-9+*-]\S* (\d+)/) {
            my $count = $1;
            # the line behind calls= has what the callee cost, which counts where it is spent
            if ($is_callee) { $is_callee = 0; next }
            $all += $count;
            $ours += $count if $is_ours;
        }
    }
    return ($all, $ours);
}

sub middle { my @sorted = sort { $a <=> $b } @_; return $sorted[@sorted / 2] }

sub calls {
    my ($directory, %pid) = @_;
    my (%seen, %per, @paths);
    my $burst = 0;
    while (my $line = <STDIN>) {
        chomp $line;
        my ($path, $per) = split /\t/, $line;
        push @paths, $path if !exists $per{$path};
        $per{$path} = $per;
        # The first mark ends what came before the first burst.
        my $mark = ++$burst + 1;
        foreach my $process (keys %pid) {
            my ($all, $ours) = sums("$directory/$pid{$process}.$mark");
            push @{$seen{$path}{$process}{all}}, $all;
            push @{$seen{$path}{$process}{ours}}, $ours;
        }
    }
    foreach my $path (grep { $_ ne 'nothing' } @paths) {
        foreach my $process ('session', 'worker') {
            next if $process eq 'worker' && $path =~ /^here|refused/;
            # What the marks cost comes off.
            my @counts = map { (middle(@{$seen{$path}{$process}{$_}}) - middle(@{$seen{nothing}{$process}{$_}})) / $per{$path} } 'all', 'ours';
            printf "%s\t%s\t%.1f\t%.1f\n", $path, $process, @counts;
        }
    }
}

sub functions {
    my ($file, $prefix) = @_;
    open my $in, '<', $file or die "$file: $!\n";
    my ($callee, $calls, %calls, %cost, @order) = ('', 0);
    while (my $line = <$in>) {
        if ($line =~ /^cfn=(.*)/) { $callee = $1 }
        elsif ($line =~ /^calls=(\d+)/ && $callee =~ /^\Q$prefix\E(\w+)/) {
            my $name = $1;
            my ($times) = $line =~ /^calls=(\d+)/;
            my ($cost) = <$in> =~ /^\S+ (\d+)/;
            push @order, $name if !$calls{$name};
            $calls{$name} += $times;
            $cost{$name} += $cost;
        }
    }
    printf "%s\tpure\t%.1f\t%.1f\n", $_ =~ tr/_/ /r, ($cost{$_} / $calls{$_}) x 2 foreach grep { $calls{$_} >= 100 } @order;
}

my $what = shift @ARGV;
if ($what eq 'calls') { calls($ARGV[0], session => $ARGV[1], worker => $ARGV[2]) }
else { functions(@ARGV) }
