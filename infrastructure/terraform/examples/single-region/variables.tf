variable "name" {
  description = "Name of the installation."
  type        = string
  default     = "eclusa"
}

variable "domain" {
  description = "Domain under which control., control-nodes. and gateway. are yours."
  type        = string
}

variable "control_image" {
  description = "The image of eclusa-control, by digest."
  type        = string
}

variable "node_images" {
  description = "Machine image of gateways, by region."
  type        = map(string)
}

variable "control_certificate_arn" {
  description = "ACM certificate of control.DOMAIN."
  type        = string
}

variable "gateway_certificate_arns" {
  description = "ACM certificates of gateway.DOMAIN, by region."
  type        = map(string)
}

variable "admin_cidrs" {
  description = "Who may reach the admin API: your office, your VPN."
  type        = list(string)
}
