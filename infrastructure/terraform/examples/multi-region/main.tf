provider "aws" {
  region = local.home
  default_tags {
    tags = { application = var.name }
  }
}

provider "aws" {
  alias  = "us"
  region = "us-east-1"
  default_tags {
    tags = { application = var.name }
  }
}

provider "aws" {
  alias  = "ap"
  region = "ap-southeast-1"
  default_tags {
    tags = { application = var.name }
  }
}

locals {
  home = "eu-central-1"
  # Every node connects from a NAT address of its region.
  node_cidrs = [for address in concat(module.network.nat_addresses, module.network_us.nat_addresses, module.network_ap.nat_addresses) : "${address}/32"]
}

data "aws_availability_zones" "home" {
  state = "available"
}

module "key" {
  source = "../../modules/key"
  name   = var.name
}

module "logs" {
  source = "../../modules/logs"
  name   = var.name
}

module "network" {
  source      = "../../modules/network"
  name        = var.name
  cidr        = "10.20.0.0/16"
  zones       = slice(data.aws_availability_zones.home.names, 0, 2)
  log_key_arn = module.key.arn
}

module "secrets" {
  source  = "../../modules/secrets"
  name    = var.name
  key_arn = module.key.arn

  replica_keys = {
    "us-east-1"      = module.key_us.arn
    "ap-southeast-1" = module.key_ap.arn
  }
}

module "database" {
  source                    = "../../modules/database"
  name                      = var.name
  vpc_id                    = module.network.vpc_id
  subnet_ids                = module.network.isolated_subnet_ids
  client_security_group_ids = [module.control.security_group_id]
  key_arn                   = module.key.arn
}

module "control" {
  source             = "../../modules/control"
  name               = var.name
  vpc_id             = module.network.vpc_id
  vpc_cidr           = module.network.cidr
  public_subnet_ids  = module.network.public_subnet_ids
  private_subnet_ids = module.network.private_subnet_ids
  image              = var.control_image
  public_url         = "https://control.${var.domain}"
  node_url           = "https://control-nodes.${var.domain}:7071"
  certificate_arn    = var.control_certificate_arn
  admin_cidrs        = concat(var.admin_cidrs, local.node_cidrs)
  node_cidrs         = local.node_cidrs
  key_arn            = module.key.arn
  secret_arns        = module.secrets.secret_arns
  access_log_bucket  = module.logs.bucket
  # The console shows it, and its playground calls it.
  settings = { ECLUSA_GATEWAY_URL = "https://gateway.${var.domain}" }
}

module "gateway_eu" {
  source                = "../../modules/gateway"
  name                  = var.name
  region_name           = "eu-central-1"
  vpc_id                = module.network.vpc_id
  vpc_cidr              = module.network.cidr
  public_subnet_ids     = module.network.public_subnet_ids
  private_subnet_ids    = module.network.private_subnet_ids
  image_id              = var.node_images["eu-central-1"]
  certificate_arn       = var.gateway_certificate_arns["eu-central-1"]
  control_url           = "https://control.${var.domain}"
  enrollment_secret_arn = module.secrets.secret_arns["enrollment-token"]
  enrollment_key_arn    = module.key.arn
  key_arn               = module.key.arn
  access_log_bucket     = module.logs.bucket
  settings              = { ECLUSA_CORS_ORIGINS = "https://control.${var.domain}" }
}

data "aws_availability_zones" "us" {
  provider = aws.us
  state    = "available"
}

module "key_us" {
  source    = "../../modules/key"
  providers = { aws = aws.us }
  name      = var.name
}

module "logs_us" {
  source    = "../../modules/logs"
  providers = { aws = aws.us }
  name      = var.name
}

module "network_us" {
  source      = "../../modules/network"
  providers   = { aws = aws.us }
  name        = var.name
  cidr        = "10.21.0.0/16"
  zones       = slice(data.aws_availability_zones.us.names, 0, 2)
  log_key_arn = module.key_us.arn
}

module "gateway_us" {
  source                = "../../modules/gateway"
  providers             = { aws = aws.us }
  name                  = var.name
  region_name           = "us-east-1"
  vpc_id                = module.network_us.vpc_id
  vpc_cidr              = module.network_us.cidr
  public_subnet_ids     = module.network_us.public_subnet_ids
  private_subnet_ids    = module.network_us.private_subnet_ids
  image_id              = var.node_images["us-east-1"]
  certificate_arn       = var.gateway_certificate_arns["us-east-1"]
  control_url           = "https://control.${var.domain}"
  enrollment_secret_arn = replace(module.secrets.secret_arns["enrollment-token"], ":${local.home}:", ":us-east-1:")
  enrollment_key_arn    = module.key_us.arn
  key_arn               = module.key_us.arn
  access_log_bucket     = module.logs_us.bucket
  settings              = { ECLUSA_CORS_ORIGINS = "https://control.${var.domain}" }
}

data "aws_availability_zones" "ap" {
  provider = aws.ap
  state    = "available"
}

module "key_ap" {
  source    = "../../modules/key"
  providers = { aws = aws.ap }
  name      = var.name
}

module "logs_ap" {
  source    = "../../modules/logs"
  providers = { aws = aws.ap }
  name      = var.name
}

module "network_ap" {
  source      = "../../modules/network"
  providers   = { aws = aws.ap }
  name        = var.name
  cidr        = "10.22.0.0/16"
  zones       = slice(data.aws_availability_zones.ap.names, 0, 2)
  log_key_arn = module.key_ap.arn
}

module "gateway_ap" {
  source                = "../../modules/gateway"
  providers             = { aws = aws.ap }
  name                  = var.name
  region_name           = "ap-southeast-1"
  vpc_id                = module.network_ap.vpc_id
  vpc_cidr              = module.network_ap.cidr
  public_subnet_ids     = module.network_ap.public_subnet_ids
  private_subnet_ids    = module.network_ap.private_subnet_ids
  image_id              = var.node_images["ap-southeast-1"]
  certificate_arn       = var.gateway_certificate_arns["ap-southeast-1"]
  control_url           = "https://control.${var.domain}"
  enrollment_secret_arn = replace(module.secrets.secret_arns["enrollment-token"], ":${local.home}:", ":ap-southeast-1:")
  enrollment_key_arn    = module.key_ap.arn
  key_arn               = module.key_ap.arn
  access_log_bucket     = module.logs_ap.bucket
  settings              = { ECLUSA_CORS_ORIGINS = "https://control.${var.domain}" }
}
