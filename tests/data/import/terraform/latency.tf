resource "aws_route53_record" "www_us_east" {
  zone_id = aws_route53_zone.main.zone_id
  name    = "www.example.com"
  type    = "A"
  ttl     = 300

  latency_routing_policy {
    region = "us-east-1"
  }

  records = [aws_eip.us_east.public_ip]
}

resource "aws_route53_record" "www_eu_west" {
  zone_id = aws_route53_zone.main.zone_id
  name    = "www.example.com"
  type    = "A"
  ttl     = 300

  latency_routing_policy {
    region = "eu-west-1"
  }

  records = [aws_eip.eu_west.public_ip]
}
