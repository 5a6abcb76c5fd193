# What programs for Perl use of its core.
use strict;
use warnings;
use utf8;
use open qw(:std :utf8);
use Config;
use Cwd qw(getcwd);
use Data::Dumper;
use Digest::MD5 qw(md5_hex);
use Digest::SHA qw(sha256_hex);
use Encode qw(encode decode);
use Errno qw(ENOENT);
use Fcntl qw(:DEFAULT :flock :mode);
use File::Basename;
use File::Copy;
use File::Find;
use File::Path qw(make_path remove_tree);
use File::Spec;
use File::Temp qw(tempfile tempdir);
use IO::Handle;
use IO::Pipe;
use IO::Select;
use IPC::Open3;
use IPC::SysV qw(IPC_PRIVATE IPC_CREAT IPC_RMID);
use JSON::PP;
use List::Util qw(sum reduce shuffle);
use Math::BigInt;
use MIME::Base64;
use POSIX qw(:sys_wait_h strftime floor);
use Scalar::Util qw(blessed weaken);
use Socket;
use Storable qw(freeze thaw);
use Symbol qw(gensym);
use Text::Wrap;
use Time::HiRes qw(usleep time);
use Time::Local;

$| = 1;
sub say_it { print join(' ', @_), "\n" }

my $top = tempdir(CLEANUP => 1);
make_path("$top/a/b");
open(my $out, '>', "$top/a/b/ä.txt") or die $!;
print $out "one\ntwo\n";
flock($out, LOCK_EX | LOCK_NB) or die $!;
close $out;
copy("$top/a/b/ä.txt", "$top/copy");
chmod 0640, "$top/copy";
say_it('stat', (stat "$top/copy")[7], sprintf('%o', S_IMODE((stat _)[2])));
my @found;
find(sub { push @found, $_ if -f }, $top);
say_it('found', scalar @found, basename("$top/copy"));
open(my $absent, '<', "$top/none") or say_it('absent', $! == ENOENT ? 'ENOENT' : $!);

my $child = fork // die $!;
exit 7 if $child == 0;
waitpid($child, 0);
say_it('waited', $? >> 8, `echo backticks` =~ /back/ ? 'backticks' : 'none', system('sh', '-c', 'exit 3') >> 8);
my $pid = open3(my $in, my $read, my $err = gensym, 'sh', '-c', 'cat; echo err >&2');
print $in "to a child\n";
close $in;
say_it('open3', map { chomp; $_ } <$read>, <$err>);
waitpid($pid, 0);
my $pipe = IO::Pipe->new;
if (fork == 0) { $pipe->writer; print $pipe "piped"; close $pipe; POSIX::_exit(0) }
$pipe->reader;
say_it('pipe', <$pipe>);
wait;
socketpair(my $left, my $right, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die $!;
binmode $_ for $left, $right;
syswrite $left, 'pair';
my $waiting = IO::Select->new($right)->can_read(10);
say_it('select', $waiting, sysread($right, my $got, 10));
say_it($got);

my @seen;
$SIG{USR1} = sub { push @seen, 'USR1' };
kill 'USR1', $$;
eval { local $SIG{ALRM} = sub { die "alarm\n" }; alarm 1; 1 while 1; };
say_it('signals', @seen, $@ =~ /alarm/ ? 'alarm' : 'none');
my $shared = shmget(IPC_PRIVATE, 100, IPC_CREAT | 0600) // die $!;
if (fork == 0) { shmwrite($shared, 'shared', 0, 6); POSIX::_exit(0) }
wait;
shmread($shared, my $buffer, 0, 6) or die $!;
shmctl($shared, IPC_RMID, 0);
say_it('shared memory', $buffer);

say_it('digests', md5_hex('abc'), substr(sha256_hex('abc'), 0, 16), encode_base64('abc', ''));
say_it('json', JSON::PP->new->canonical->encode({ a => [1, 2.5, undef], b => "x" }));
say_it('big', Math::BigInt->new(2)->bpow(100), sum(1 .. 100), (reduce { $a * $b } 1 .. 10));
say_it('stored', thaw(freeze({ k => [1, 2, 3] }))->{k}[2], length(encode('UTF-8', 'ä')));
say_it('time', strftime('%F', gmtime 0), timegm(0, 0, 0, 1, 0, 100), floor(-2.5));
my $began = time;
usleep 10_000;
say_it('slept', time - $began >= 0.01 ? 'yes' : 'no');
say_it('regex', join '|', 'a1b22' =~ /(\d+)/g, 'Ünïcode' =~ /^\w+$/ ? 'word' : 'none');
$Data::Dumper::Terse = $Data::Dumper::Indent = 1;
$Data::Dumper::Sortkeys = 1;
say_it(Dumper({ b => 1, a => [2] }) =~ s/\s+/ /gr);
printf "%s %03d %.3e %b\n", 'printf', 7, 12345.678, 10;
if ($Config{useithreads}) {
    require threads;
    require Thread::Queue;
    my $queue = Thread::Queue->new(1 .. 10);
    $queue->end;
    my @workers = map { threads->create(sub { my $s = 0; while (defined(my $n = $queue->dequeue)) { $s += $n } $s }) } 1 .. 3;
    say_it('threads', sum(map { $_->join } @workers));
}
say_it('done');
