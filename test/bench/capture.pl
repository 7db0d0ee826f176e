#!/usr/bin/env perl
# capture.pl: a receiver of single requests that keeps their bodies, so that a baseline can post the
# very bytes that the extension posts.
#
# usage: capture.pl COUNT FILE
# Prints "port N"; answers 200 to COUNT requests, whatever connections they come by; writes their
# bodies to FILE, one a line; then prints
# "requests header-bytes body-bytes" (bytes are means) and ends.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;

die "usage: capture.pl COUNT FILE\n" if @ARGV != 2;
my ( $wanted, $file ) = @ARGV;
my $listener = IO::Socket::INET->new(
	Listen    => 128,
	LocalAddr => '127.0.0.1',
	ReuseAddr => 1 ) or die "capture.pl: could not listen: $!\n";
open my $out, '>', $file or die "capture.pl: could not write $file: $!\n";
$| = 1;
print 'port ', $listener->sockport, "\n";

my $select = IO::Select->new($listener);
my ( %buffer, %total );
my $seen = 0;

# Takes every whole request out of a connection's buffer and answers it.
sub take_requests
{
	my ($peer) = @_;
	while ( $buffer{$peer} =~ /\A(.*?\r\n\r\n)/s )
	{
		my $head = $1;
		my $len  = $head =~ /^content-length: *(\d+)/mi ? $1 : 0;
		last if length( $buffer{$peer} ) < length($head) + $len;
		my $body = substr $buffer{$peer}, length($head), $len;
		substr( $buffer{$peer}, 0, length($head) + $len ) = '';
		die "capture.pl: a body of more than one line\n" if $body =~ /\n/;
		print $out "$body\n";
		$total{head} += length $head;
		$total{body} += $len;
		$seen++;
		$peer->syswrite("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	}
}

while ( $seen < $wanted )
{
	for my $peer ( $select->can_read(30) )
	{
		if ( $peer == $listener )
		{
			my $new = $listener->accept or next;
			$select->add($new);
			$buffer{$new} = '';
		}
		elsif (
			$peer->sysread( $buffer{$peer}, 65536, length $buffer{$peer} ) )
		{
			take_requests($peer);
		}
		else
		{
			$select->remove($peer);
			delete $buffer{$peer};
			close $peer;
		}
	}
}
close $out or die "capture.pl: could not write $file: $!\n";
printf "%d %.0f %.0f\n", $seen, $total{head} / $seen, $total{body} / $seen;
