"""What an evaluation came to: TFMA's output as typed values. Read by Pusher, Report and runners."""
