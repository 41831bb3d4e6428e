resource "aws_route53_record" "www_us" {
  zone_id = aws_route53_zone.main.zone_id
  name    = "www.example.com"
  type    = "A"
  ttl     = 300

  geolocation_routing_policy {
    continent = "NA"
  }

  records = ["192.168.1.10"]
}

resource "aws_route53_record" "www_eu" {
  zone_id = aws_route53_zone.main.zone_id
  name    = "www.example.com"
  type    = "A"
  ttl     = 300

  geolocation_routing_policy {
    continent = "EU"
  }

  records = ["192.168.2.10"]
}

resource "aws_route53_record" "www_asia" {
  zone_id = aws_route53_zone.main.zone_id
  name    = "www.example.com"
  type    = "A"
  ttl     = 300

  geolocation_routing_policy {
    continent = "AS"
  }

  records = ["192.168.3.10"]
}
